"""Output of the findings of an examination."""

from collections.abc import AsyncIterator, Sequence

from worksgate.cli.printing import as_document, print_json, print_line
from worksgate.doctor import Finding, Severity


async def collected(findings: AsyncIterator[Finding], *, silent: bool) -> list[Finding]:
    """Collect all findings; each is printed immediately, unless ``silent``."""
    found = []
    async for finding in findings:
        found.append(finding)
        if not silent:
            print_finding(finding)
    return found


def print_finding(finding: Finding) -> None:
    """Print a finding on a line, and the advice on the next."""
    print_line(f"{finding.severity:<4}  {finding.part}: {finding.text}")
    if finding.advice:
        print_line(f"      what to do: {finding.advice}")


def print_findings_as_json(findings: Sequence[Finding]) -> None:
    """Print all findings, and whether all is well, as one document."""
    documents = [as_document(finding) for finding in findings]
    print_json({"ok": not has_failed(findings), "findings": documents})


def has_failed(findings: Sequence[Finding]) -> bool:
    """Whether anything does not work."""
    return any(finding.severity is Severity.FAIL for finding in findings)
