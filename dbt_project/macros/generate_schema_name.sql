{# Schemas are called what the project says: the usual prefix keeps developers of one database apart, and here each
   build has a file of its own. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
