"""What is wrong with a model folder, as one type: raised by the contract, and by whoever tries what it promises."""


class ContractError(ValueError):
    """A model folder that can't be served; the message says what is wrong, where, and what was expected."""
