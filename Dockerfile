# The service in an image of its own: no torch, no pip, no compiler, a user without rights, nothing to write.
#
#   docker build -t ganymede .                           for the CPU
#   docker build -t ganymede --build-arg RUNTIME=gpu .   for an NVIDIA GPU
#   docker run --rm --init --read-only -p 127.0.0.1:8000:8000 ganymede
#
# Its models are those of models/. To serve others, mount them: -v "$PWD/others:/models:ro".

FROM python:3.12-slim-bookworm AS python
ENV VIRTUAL_ENV=/opt/ganymede
ENV PATH=$VIRTUAL_ENV/bin:$PATH


# What the service needs, in a layer that only a change of pyproject.toml makes anew: for a GPU it has gigabytes.
FROM python AS dependencies
ARG RUNTIME=cpu
WORKDIR /build
# pip stays outside the environment, so that the last stage gets none.
RUN python -m venv --without-pip "$VIRTUAL_ENV"
COPY pyproject.toml constraints.txt ./
RUN case "$RUNTIME" in cpu|gpu) ;; *) echo "RUNTIME is cpu or gpu, not $RUNTIME" >&2; exit 1 ;; esac \
 && python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *project['optional-dependencies']['$RUNTIME'], sep='\n')" > requirements.txt \
 && /usr/local/bin/pip --python "$VIRTUAL_ENV/bin/python" install --no-cache-dir -r requirements.txt -c constraints.txt


# What changes often, in small layers.
FROM dependencies AS service
COPY LICENSE README.md ./
COPY app app
RUN /usr/local/bin/pip --python "$VIRTUAL_ENV/bin/python" install --no-cache-dir --no-deps --prefix /service .
COPY models /models
# A checkout under a strict umask would leave models that only root can read.
RUN chmod -R a=rX,u+w /models


FROM python
LABEL org.opencontainers.image.title="ganymede" \
      org.opencontainers.image.description="Serves the generators of generative adversarial networks over HTTP." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
# The base brings its standard library uncompiled and this image's user can't write: each start and each health check
# would compile it again. A check takes 44 ms of a core so, and 197 ms otherwise.
RUN pip uninstall --yes --root-user-action=ignore pip \
 && rm -r /usr/local/lib/python3.12/ensurepip \
 && python -m compileall -q /usr/local/lib/python3.12
COPY --from=dependencies $VIRTUAL_ENV $VIRTUAL_ENV
# Theirs, so that a volume mounted there, which begins as a copy, can take uploads.
COPY --from=service --chown=10001:10001 /models /models
COPY --from=service /service $VIRTUAL_ENV
# A container listens on all of its addresses, and who reaches those is decided outside: by `-p 127.0.0.1:8000:8000`, by
# a network of containers, by an ingress. So the image serves without keys, where a bare `ganymede serve` would refuse to
# start. To publish it to others, give it keys: with GANYMEDE_KEYS_FILE nobody comes in without one, see docs/operate.md.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    GANYMEDE_HOST=0.0.0.0 \
    GANYMEDE_ALLOW_ANONYMOUS=true \
    GANYMEDE_PORT=8000 \
    GANYMEDE_MODELS=/models
# A number, so that Kubernetes can see that it isn't root.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Asks /readyz, not /healthz: Docker has one state for both and never restarts for it, and who waits for it (Compose, a
# Swarm's load balancer) wants to send work. `http.client`, since `urllib` would ask a proxy that the environment names.
# What it prints, the models with the reasons of those that failed, is in `docker inspect`.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; connection = http.client.HTTPConnection('127.0.0.1', int(os.environ['GANYMEDE_PORT'])); connection.request('GET', '/readyz'); answer = connection.getresponse(); print(answer.read().decode()); sys.exit(answer.status != 200)"]
ENTRYPOINT ["ganymede"]
CMD ["serve"]
