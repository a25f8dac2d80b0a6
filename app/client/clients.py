"""The two clients: one waits, one awaits. They send the calls that the verbs describe, and know none of them."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

import anyio
import httpx
from anyio import to_thread

from .calls import Call, Lines, Stream
from .errors import problem, require_kind, told
from .tries import Tries
from .verbs import codes, edits, samples, service, uploads, walks

P = ParamSpec("P")
T = TypeVar("T")

LIMITS = httpx.Limits(keepalive_expiry=4)
"""Uvicorn closes a connection that was idle for 5 s. This end does so first: a request that met with that is lost."""


class Verb(Generic[P, T]):
    """A verb as a method of both clients, with the parameters of its description and what its answer is read as."""

    def __init__(self, describe: Callable[P, Call[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, _: type) -> Callable[P, Call[T]]: ...
    @overload
    def __get__(self, client: "Client", _: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: "AsyncClient", _: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: "Client | AsyncClient | None", _: type) -> Callable[P, Any]:
        return self._describe if client is None else client._sending(self._describe)


class StreamVerb(Generic[P, T]):
    """A verb whose answer comes in parts, as a method that gives an iterator."""

    def __init__(self, describe: Callable[P, Stream[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, _: type) -> Callable[P, Stream[T]]: ...
    @overload
    def __get__(self, client: "Client", _: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: "AsyncClient", _: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: "Client | AsyncClient | None", _: type) -> Callable[P, Any]:
        return self._describe if client is None else client._streaming(self._describe)


class Verbs:
    """What both clients can do."""

    generate = Verb(samples.generate)
    stream = StreamVerb(samples.stream)
    reproduce = Verb(samples.reproduce)
    interpolate = Verb(walks.interpolate)
    animate = Verb(walks.animate)
    edit = Verb(edits.edit)
    encode = Verb(codes.encode)
    decode = Verb(codes.decode)
    reconstruct = Verb(codes.reconstruct)
    map = Verb(codes.code_map)
    translate = Verb(uploads.translate)
    style = Verb(uploads.style)
    enhance = Verb(uploads.enhance)
    predict = Verb(uploads.predict)
    score = Verb(uploads.score)
    models = Verb(service.models)
    model = Verb(service.model)
    health = Verb(service.health)
    ready = Verb(service.ready)


class Client(Verbs):
    """A client of the service at `base_url`. Connections are kept for later calls, from any thread, until `close`.

    `timeout` is in seconds: the service may not be silent for longer, nor is a call tried anew after that. `headers` go
    with each request. A service that is busy says when to come back (429 or 503 with `Retry-After`): so many `retries`
    are made, when it says so, before its answer is raised. Every verb raises `ServiceError` for what the service
    refuses, and `NoAnswerError` if it doesn't answer. `ValueError` for a `base_url` that is no HTTP address.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:8000",
        *,
        timeout: float = 60,
        headers: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> None:
        self._http = httpx.Client(base_url=_address(base_url), headers=headers, limits=LIMITS)
        self._timeout = timeout
        self._retries = retries

    def close(self) -> None:
        """Closes the connections; no call can follow."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def _sending(self, describe: Callable[P, Call[T]]) -> Callable[P, T]:
        """The method that sends what `describe` makes of its arguments."""

        @wraps(describe)
        def send(*arguments: P.args, **named: P.kwargs) -> T:
            call = describe(*arguments, **named)
            with self._answer(call) as response:
                return call.read(response.read(), response.url)

        return send

    def _streaming(self, describe: Callable[P, Stream[T]]) -> Callable[P, Iterator[T]]:
        """The method that sends what `describe` makes of its arguments, and reads the answer as it comes."""

        @wraps(describe)
        def send(*arguments: P.args, **named: P.kwargs) -> Iterator[T]:
            call, lines = describe(*arguments, **named), Lines()
            with self._answer(call) as response:
                for chunk in response.iter_bytes():
                    for line in lines.of(chunk):
                        yield call.read(line, response.url)

        return send

    @contextmanager
    def _answer(self, call: Call[Any]) -> Iterator[httpx.Response]:
        """The answer to a call, its content still to be read."""
        tries = Tries(call, self._retries, self._timeout)
        with told(self._timeout):
            while True:
                response = self._http.send(tries.request(self._http), stream=True)
                try:
                    if response.is_success:
                        require_kind(response, call.kinds)
                        yield response
                        return
                    response.read()
                finally:
                    response.close()
                time.sleep(tries.pause(problem(response)))


class AsyncClient(Verbs):
    """`Client` for programs that await: the same verbs, as coroutines, and `stream` as an asynchronous iterator.

    Files are read, and pictures coded, in threads of their own. Close an iterator that isn't read to its end
    (`contextlib.aclosing`).
    """

    def __init__(
        self,
        base_url: str = "http://localhost:8000",
        *,
        timeout: float = 60,
        headers: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=_address(base_url), headers=headers, limits=LIMITS)
        self._timeout = timeout
        self._retries = retries

    async def close(self) -> None:
        """Closes the connections; no call can follow."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    def _sending(self, describe: Callable[P, Call[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """The method that sends what `describe` makes of its arguments."""

        @wraps(describe)
        async def send(*arguments: P.args, **named: P.kwargs) -> T:
            call = await to_thread.run_sync(partial(describe, *arguments, **named))
            async with self._answer(call) as response:
                return await to_thread.run_sync(call.read, await response.aread(), response.url)

        return send

    def _streaming(self, describe: Callable[P, Stream[T]]) -> Callable[P, AsyncIterator[T]]:
        """The method that sends what `describe` makes of its arguments, and reads the answer as it comes."""

        @wraps(describe)
        async def send(*arguments: P.args, **named: P.kwargs) -> AsyncIterator[T]:
            call, lines = await to_thread.run_sync(partial(describe, *arguments, **named)), Lines()
            async with self._answer(call) as response:
                async for chunk in response.aiter_bytes():
                    for line in lines.of(chunk):
                        yield await to_thread.run_sync(call.read, line, response.url)

        return send

    @asynccontextmanager
    async def _answer(self, call: Call[Any]) -> AsyncIterator[httpx.Response]:
        """The answer to a call, its content still to be read."""
        tries = Tries(call, self._retries, self._timeout)
        with told(self._timeout):
            while True:
                response = await self._http.send(tries.request(self._http), stream=True)
                try:
                    if response.is_success:
                        require_kind(response, call.kinds)
                        yield response
                        return
                    await response.aread()
                finally:
                    await response.aclose()
                await anyio.sleep(tries.pause(problem(response)))


def _address(base_url: str) -> httpx.URL:
    """The address; `ValueError` if it is none that a service can be at."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"base_url {base_url!r} is no address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"base_url must be an address such as http://localhost:8000, not {base_url!r}")
    return url
