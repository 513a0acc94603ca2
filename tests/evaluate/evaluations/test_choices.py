"""What is archived is offered nowhere: not to launch with, not to evaluate, not to talk to."""

import pytest
from django.utils import timezone

from accounts.models import Project
from annotate.chat.replies import sides_of
from annotate.kinds.chat import ChatOptions
from evaluate.evaluations.forms import EvaluationForm
from registry.forms import names_of
from registry.models import ModelVersion
from tests.factories import make_model

pytestmark = pytest.mark.django_db


def test_archived_models_are_left_out_of_every_choice(project: Project) -> None:
    roles = ModelVersion.Role
    for name, role in (("old", roles.POLICY), ("rm-old", roles.REWARD), ("judge-old", roles.JUDGE)):
        make_model(project, name, role=role, archived_at=timezone.now())
    for name, role in (("new", roles.POLICY), ("rm-new", roles.REWARD), ("judge-new", roles.JUDGE)):
        make_model(project, name, role=role)
    assert names_of("base", project) == names_of("policy", project) == ["new"]
    assert names_of("reward", project) == ["rm-new"]
    assert set(names_of("judge", project)) == {"judge-new", "new"}
    offered = EvaluationForm(project).as_p()
    assert "judge-new" in offered and "rm-new" in offered and "-old" not in offered and ">old<" not in offered
    assert [side.name for side in sides_of(project, ChatOptions())] == ["new", "new"]
