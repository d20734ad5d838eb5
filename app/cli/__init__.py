"""The command line ``hocba``: one program, its commands by who needs them."""

import typer

from app.cli import sender, sending

app = typer.Typer(
    name="hocba",
    help="Học bạ số: ký, đóng gói, gửi và theo dõi. / Digital school transcripts: sign, pack, send, follow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(sender.commands)
app.add_typer(sending.commands)


def main() -> None:
    """Run the command line."""
    app()
