from django.urls import path

from annotate import chat_views, collection, dataset_views, images, prompts, views, votes

urlpatterns = [
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
    path("p/<slug:slug>/images/<str:sha256>/", images.image, name="image"),
    path("p/<slug:slug>/votes/<int:pk>/", votes.vote, name="vote"),
    path("p/<slug:slug>/collection/", collection.collection, name="collection"),
    path("p/<slug:slug>/prompts/new/", prompts.new_prompts, name="prompts-new"),
    path("p/<slug:slug>/runs/<slug:name>/tasks/", prompts.new_tasks, name="tasks-new"),
    path("p/<slug:slug>/datasets/", dataset_views.index, name="datasets"),
    path("p/<slug:slug>/datasets/new/", dataset_views.new, name="dataset-new"),
    path("p/<slug:slug>/datasets/<slug:name>/v<int:version>/", dataset_views.detail, name="dataset"),
]
