"""``dsc-lsp doctor``: the findings about this machine as a list for the terminal."""

from dsc_lsp.cli.configuration import with_options
from dsc_lsp.doctor import Finding, Verdict, examine
from dsc_lsp.settings import Settings, config_file, read_config_file


def run(*, model: str | None, device: str | None, remote: str | None) -> int:
    """Print what was found; 1 if something must be mended before suggestions can come."""
    parsed = with_options(
        read_config_file(config_file(), Settings()), model=model, device=device, remote=remote
    )
    worst = 0
    for finding in examine(parsed):
        print(_line(finding), flush=True)
        worst = worst or int(finding.verdict is Verdict.BAD)
    print("\nSomething must be mended, see above." if worst else "\nReady for your editor.")
    return worst


def _line(finding: Finding) -> str:
    line = f"{finding.verdict.value:>8}  {finding.subject:<9} {finding.text}"
    return f"{line}\n{'':>20}{finding.advice}" if finding.advice else line
