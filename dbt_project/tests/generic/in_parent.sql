{% test in_parent(model, parent, columns, parent_columns=none) %}
{% set theirs = parent_columns or columns %}
select {{ columns | join(", ") }}
from {{ model }}
where
    {% for column in columns %} {{ column }} is not null and {% endfor %} true
except
select {{ theirs | join(", ") }}
from {{ parent }}
{% endtest %}
