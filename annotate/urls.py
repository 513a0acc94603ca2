from django.urls import path

from annotate import votes
from annotate.chat import views as chat_views
from annotate.design import protocol_try, protocol_views, rubric_views
from annotate.desk import views
from annotate.intake import collection, images, prompts, task_making
from annotate.moderation import adjudication_views, flagged, gold_tasks
from annotate.playground.views import go_on, playground
from annotate.quality import urls as quality_urls

urlpatterns = [
    *quality_urls.urlpatterns,
    path("p/<slug:slug>/annotate/", views.desk, name="annotate"),
    path("p/<slug:slug>/annotate/undo/", views.undo, name="undo"),
    path("p/<slug:slug>/annotate/<int:assignment>/", views.answer, name="answer"),
    path("p/<slug:slug>/annotate/<int:assignment>/skip/", views.skip, name="skip"),
    path("p/<slug:slug>/annotate/<int:assignment>/draft/", views.draft, name="draft"),
    path("p/<slug:slug>/annotate/<int:assignment>/change/<int:step>/", views.change, name="change"),
    path("p/<slug:slug>/annotate/<int:assignment>/chat/", chat_views.turn, name="chat-turn"),
    path("p/<slug:slug>/annotate/<int:assignment>/chat/stop/", chat_views.stop, name="chat-stop"),
    path("p/<slug:slug>/annotate/<int:assignment>/chat/again/", chat_views.again, name="chat-again"),
    path("p/<slug:slug>/annotate/<int:assignment>/chat/undo/", chat_views.undo, name="chat-undo"),
    path("p/<slug:slug>/annotate/history/", views.history, name="history"),
    path("p/<slug:slug>/adjudicate/", adjudication_views.adjudicate, name="adjudicate"),
    path("p/<slug:slug>/adjudicate/undo/", adjudication_views.undo, name="adjudicate-undo"),
    path("p/<slug:slug>/adjudicate/settled/", adjudication_views.settled, name="adjudicate-settled"),
    path("p/<slug:slug>/adjudicate/<int:task>/", adjudication_views.item, name="adjudicate-item"),
    path("p/<slug:slug>/adjudicate/<int:task>/skip/", adjudication_views.skip, name="adjudicate-skip"),
    path("p/<slug:slug>/adjudicate/<int:task>/back/", adjudication_views.send_back, name="adjudicate-back"),
    path("p/<slug:slug>/adjudicate/<int:task>/drop/", adjudication_views.drop, name="adjudicate-drop"),
    path("p/<slug:slug>/flagged/", flagged.index, name="flagged"),
    path("p/<slug:slug>/flagged/<int:task>/", flagged.decide, name="flagged-decide"),
    path("p/<slug:slug>/known-answers/", gold_tasks.index, name="known-answers"),
    path("p/<slug:slug>/known-answers/make/", gold_tasks.make, name="known-answer-make"),
    path("p/<slug:slug>/known-answers/<int:task>/retire/", gold_tasks.retire_known, name="known-answer-retire"),
    path("p/<slug:slug>/images/<str:sha256>/", images.image, name="image"),
    path("p/<slug:slug>/votes/<int:pk>/", votes.vote, name="vote"),
    path("p/<slug:slug>/collection/", collection.collection, name="collection"),
    path("p/<slug:slug>/prompts/new/", prompts.new_prompts, name="prompts-new"),
    path("p/<slug:slug>/runs/<slug:name>/tasks/", task_making.new_tasks, name="tasks-new"),
    path("p/<slug:slug>/playground/", playground, name="playground"),
    path("p/<slug:slug>/playground/<int:talk>/", go_on, name="talk-go-on"),
    path("p/<slug:slug>/protocols/", protocol_views.index, name="protocols"),
    path("p/<slug:slug>/protocols/new/", protocol_views.new, name="protocol-new"),
    path("p/<slug:slug>/protocols/<slug:name>/", protocol_views.detail, name="protocol"),
    path("p/<slug:slug>/protocols/<slug:name>/v<int:version>/", protocol_views.detail, name="protocol-version"),
    path("p/<slug:slug>/protocols/<slug:name>/v<int:version>/try/", protocol_try.desk, name="protocol-try"),
    path("p/<slug:slug>/rubrics/", rubric_views.index, name="rubrics"),
    path("p/<slug:slug>/rubrics/new/", rubric_views.new, name="rubric-new"),
    path("p/<slug:slug>/rubrics/<slug:name>/", rubric_views.detail, name="rubric"),
    path("p/<slug:slug>/rubrics/<slug:name>/v<int:version>/", rubric_views.detail, name="rubric-version"),
]
