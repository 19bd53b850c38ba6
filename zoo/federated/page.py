"""One HTML page of a simulation, with everything inside it: federated, centralised and each client alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from zoo.federated.pictures import Band, Curve, labels_per_client, per_round
from zoo.federated.simulate import SILENT, Comparison

_STYLE = """
body { font-family: sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
svg { max-width: 100%; height: auto }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .2rem 1.5rem .2rem 0; border-bottom: 1px solid #ddd }
td + td { font-variant-numeric: tabular-nums }
"""

Rows = Sequence[tuple[str, str]]


def summary(found: Comparison) -> Rows:
    """What was found, in a few lines."""
    alone, last = found.alone[-1], found.rounds[-1]
    trained = [figures for figures in found.rounds if figures.selected]
    answers = sum(figures.selected for figures in trained)
    rows = [
        ("federated", f"{found.federated_accuracy:.1%} after {last.round} rounds"),
        ("centralised", f"{found.centralised_accuracy:.1%}"),
        ("each alone", f"{alone.mean:.1%} in the mean, {alone.best:.1%} at best, {alone.worst:.1%} at worst"),
        ("updates averaged", f"{sum(figures.averaged for figures in trained)} of {answers}"),
    ]
    rows += [
        ("diverged, nothing sent" if code == SILENT else f"refused as {code}", str(count))
        for code, count in found.refused.items()
    ]
    if answers:
        down, up = (sum(getattr(figures, name) for figures in trained) / answers for name in ("bytes_down", "bytes_up"))
        rows.append(("bytes of a client and round", f"{down:,.0f} down, {up:,.0f} up"))
    if found.attackers:
        rows.append(("attackers", ", ".join(f"{name} ({attack})" for name, attack in found.attackers.items())))
    return rows


def curves(found: Comparison) -> str:
    """The picture of all three after each round."""
    return per_round(
        [
            Curve("federated", [(figures.round, figures.accuracy) for figures in found.rounds]),
            Curve("centralised", list(found.centralised)),
            Curve("each alone, mean", [(alone.round, alone.mean) for alone in found.alone]),
        ],
        band=Band("each alone, worst to best", [(alone.round, alone.worst, alone.best) for alone in found.alone]),
    )


def page(
    title: str,
    found: Comparison,
    settings: Mapping[str, object],
    distribution: Sequence[Sequence[int]],
    labels: Sequence[str],
) -> str:
    """The whole page: no script, nothing fetched. `distribution` is [client][label]."""
    samples = sum(sum(row) for row in distribution)
    shown = [(name, str(value)) for name, value in settings.items() if value is not None]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>{len(distribution)} clients hold {samples} samples and send weights, never samples. All accuracies are those on
samples that nobody trained on. Centralised is one training on all clients' samples; alone is each client's on its own;
both make as many passes over their samples as the federation's rounds.</p>
{_table(summary(found))}
<h2>Federated, centralised, alone</h2>
{curves(found)}
<h2>Who has samples of what</h2>
{labels_per_client(distribution, labels)}
<h2>Settings</h2>
{_table(shown)}
</body>
</html>
"""


def _table(rows: Rows) -> str:
    lines = "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>\n{lines}\n</table>"
