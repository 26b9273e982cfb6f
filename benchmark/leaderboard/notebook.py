"""A leaderboard as HTML for the output of a notebook's cell: tables, warnings and notes, without scripts or links."""

from __future__ import annotations

import jinja2

from benchmark.leaderboard.tables import Leaderboard

TEMPLATE = """\
<div>
{%- for line in board.warnings() %}<p><strong>{{ line }}</strong></p>{% endfor %}
{%- for table in board.tables %}
<table>
<caption>{{ table.title }}{% if table.metric %}: {{ table.metric }}{% endif %}</caption>
<thead><tr><th style="text-align:left">method</th>
{%- for column in table.columns %}<th>{{ column }}</th>{% endfor %}</tr>
</thead>
<tbody>
{%- for row in table.all_rows %}
<tr{% if row in table.baselines %} style="color:#666"{% endif %}><td style="text-align:left">{{ row }}</td>
{%- for column in table.columns %}<td>
{%- if table.is_best(row, column) %}<strong>{{ table.text(row, column) }}</strong>
{%- elif table.is_second(row, column) %}<u>{{ table.text(row, column) }}</u>
{%- else %}{{ table.text(row, column) }}{% endif %}</td>{% endfor %}</tr>
{%- endfor %}
</tbody></table>
{%- endfor %}
<details><summary>Notes</summary><ul>{% for line in board.notes() %}<li>{{ line }}</li>{% endfor %}</ul></details>
</div>
"""


def html(board: Leaderboard) -> str:
    """Return the tables of a leaderboard; every text of a record is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE).render(board=board)
