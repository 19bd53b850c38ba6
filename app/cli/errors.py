"""The error tree of the command line; every error is an exit code and says what to do next.

CliError
├── EndedBadly           1    a build failed, an update was rolled back, the demo's outputs disagreed
├── Misused              2    the command was not understood
├── Unreachable          4    the server does not answer, or not as the contract says
└── ProblemAnswered           the server answered an RFC 9457 problem
    ├── Refused          3    4xx
    └── Failed           4    5xx
"""

from enum import IntEnum

from app.contract.models import Problem


class ExitCode(IntEnum):
    """What the command tells the shell."""

    DONE = 0
    ENDED_BADLY = 1
    MISUSED = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODES = """Exit codes: 0 done; 1 the work ended badly (a build failed, an update was rolled back); \
2 usage; 3 refused by the server; 4 server unreachable or failing; 130 interrupted."""


class CliError(Exception):
    """Why a command did not do what it was asked for."""

    code = ExitCode.ENDED_BADLY

    def __init__(self, detail: str, remedy: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy


class EndedBadly(CliError):
    """The work was done, and its end is not the one wanted."""


class Misused(CliError):
    """The command was not understood."""

    code = ExitCode.MISUSED


class Unreachable(CliError):
    """The server does not answer as it should."""

    code = ExitCode.UNREACHABLE


class OffContract(Unreachable):
    """Something answers, and asking again would not help."""


class ProblemAnswered(CliError):
    """The server said what is wrong; `body` is the problem as it came."""

    def __init__(self, problem: Problem, body: object) -> None:
        super().__init__(problem.detail, problem.remedy)
        self.problem = problem
        self.body = body


class Refused(ProblemAnswered):
    """The server understood, and said no: 4xx."""

    code = ExitCode.REFUSED


class Failed(ProblemAnswered):
    """The server could not, and said why: 5xx."""

    code = ExitCode.UNREACHABLE
