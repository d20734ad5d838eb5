"""The command line ``hocba``: one program, its commands by who needs them."""

import typer

from app.cli import admin, crls, demonstration, forwardings, operator, proofs, safekeeping, sender, sending

app = typer.Typer(
    name="hocba",
    help="Học bạ số: ký, đóng gói, gửi và theo dõi. / Digital school transcripts: sign, pack, send, follow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(operator.commands)
app.add_typer(admin.commands, name="admin")
admin.commands.add_typer(crls.commands, name="crls")
admin.commands.add_typer(forwardings.commands, name="forwardings")
admin.commands.add_typer(forwardings.keys, name="province-keys")
app.add_typer(operator.db, name="db")
app.add_typer(operator.keys, name="keys")
app.add_typer(operator.jobs, name="jobs")
app.add_typer(safekeeping.commands)
app.add_typer(demonstration.commands)
app.add_typer(sender.commands)
app.add_typer(sending.commands)
app.add_typer(proofs.commands)


def main() -> None:
    """Run the command line."""
    app()
