"""The command line: every command speaks to a server over the contract in openapi.yaml."""


def main() -> None:
    """Run `tinymlaas` with the process's arguments; ends the process."""
    from app.cli.root import app

    app()
