"""Triggers that note which prompts have battles to count again: whoever writes, and by whatever statement."""

from django.db import migrations

NOTE = "INSERT INTO evaluate_changedprompt (project_id, prompt_id)"

# {function: what it notes}, for statements: `touched` holds the rows that were written or deleted.
STATEMENTS = {
    "palate_verdicts_changed": (
        f"{NOTE} SELECT DISTINCT t.project_id, r.prompt_id FROM touched t JOIN annotate_response r ON r.id = t.first_id"
    ),
    "palate_votes_changed": (
        f"{NOTE} SELECT DISTINCT t.project_id, k.prompt_id FROM touched t JOIN annotate_task k ON k.id = t.task_id"
        " WHERE t.kind IN ('pairwise', 'chat')"
    ),
    "palate_sides_changed": (
        f"{NOTE} SELECT DISTINCT k.project_id, k.prompt_id FROM touched t JOIN annotate_task k ON k.id = t.task_id"
    ),
    "palate_responses_changed": (
        f"{NOTE} SELECT DISTINCT p.project_id, p.id FROM touched t JOIN annotate_prompt p ON p.id = t.prompt_id"
    ),
}
# {function: what it notes}, row by row, where a condition keeps most rows out.
ROWS = {
    "palate_assignment_changed": f"{NOTE} SELECT project_id, prompt_id FROM annotate_task WHERE id = NEW.task_id",
    "palate_task_changed": f"{NOTE} VALUES (NEW.project_id, NEW.prompt_id), (OLD.project_id, OLD.prompt_id)",
    "palate_model_changed": (
        f"{NOTE} SELECT project_id, id FROM annotate_prompt WHERE id IN (NEW.prompt_id, OLD.prompt_id)"
    ),
    "palate_prompt_changed": f"{NOTE} VALUES (NEW.project_id, NEW.id)",
}
ON_STATEMENT = [
    ("evaluate_judgement", "palate_verdicts_changed", ("INSERT", "UPDATE", "DELETE")),
    ("annotate_feedback", "palate_votes_changed", ("INSERT", "UPDATE", "DELETE")),
    ("annotate_taskresponse", "palate_sides_changed", ("UPDATE", "DELETE")),
    ("annotate_response", "palate_responses_changed", ("DELETE",)),
]
ON_ROW = [
    (
        "annotate_assignment", "palate_assignment_changed", "status",
        "OLD.status IS DISTINCT FROM NEW.status AND 'submitted' IN (OLD.status, NEW.status)",
    ),
    (
        "annotate_task", "palate_task_changed", "purpose, two_prompts, criterion, prompt_id, project_id",
        "(OLD.purpose, OLD.two_prompts, OLD.criterion, OLD.prompt_id, OLD.project_id)"
        " IS DISTINCT FROM (NEW.purpose, NEW.two_prompts, NEW.criterion, NEW.prompt_id, NEW.project_id)",
    ),
    (
        "annotate_response", "palate_model_changed", "model_id, prompt_id",
        "(OLD.model_id, OLD.prompt_id) IS DISTINCT FROM (NEW.model_id, NEW.prompt_id)",
    ),
    (
        "annotate_prompt", "palate_prompt_changed", "lang, tags, messages",
        "(OLD.lang, OLD.tags, OLD.messages) IS DISTINCT FROM (NEW.lang, NEW.tags, NEW.messages)",
    ),
]  # fmt: skip
WHICH = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}


def made() -> list[str]:
    sql = [function(name, body) for name, body in {**STATEMENTS, **ROWS}.items()]
    for table, name, events in ON_STATEMENT:
        sql += [
            f"CREATE TRIGGER {name}_{event.lower()} AFTER {event} ON {table}"
            f" REFERENCING {WHICH[event]} TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            for event in events
        ]
        sql += [always(table, f"{name}_{event.lower()}") for event in events]
    for table, name, columns, condition in ON_ROW:
        sql.append(
            f"CREATE TRIGGER {name} AFTER UPDATE OF {columns} ON {table}"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}()"
        )
        sql.append(always(table, name))
    # What is there already is counted when a leaderboard is first opened.
    sql.append(f"{NOTE} SELECT DISTINCT j.project_id, r.prompt_id FROM evaluate_judgement j"
               " JOIN annotate_response r ON r.id = j.first_id")  # fmt: skip
    sql.append(f"{NOTE} SELECT DISTINCT f.project_id, k.prompt_id FROM annotate_feedback f"
               " JOIN annotate_task k ON k.id = f.task_id WHERE f.kind IN ('pairwise', 'chat')")  # fmt: skip
    return sql


def always(table: str, trigger: str) -> str:
    """Imports and what takes them back switch foreign keys off by session_replication_role, and others with them."""
    return f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"


def function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"


def unmade() -> list[str]:
    return [f"DROP FUNCTION IF EXISTS {name} CASCADE" for name in {**STATEMENTS, **ROWS}]


class Migration(migrations.Migration):
    dependencies = [("evaluate", "0004_boards"), ("annotate", "0007_lineage")]
    operations = [migrations.RunSQL(made(), unmade())]
