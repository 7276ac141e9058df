"""What every test may use."""

pytest_plugins = [
    "tests.postgres",
    "tests.services",
    "tests.xsd",
    "tests.logs",
    "tests.told",
    "tests.clamd",
    "tests.passwords",
    "tests.order",
]
