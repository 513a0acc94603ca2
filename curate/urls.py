from django.urls import path

from curate import views

urlpatterns = [
    path("p/<slug:slug>/datasets/", views.index, name="datasets"),
    path("p/<slug:slug>/datasets/new/", views.new, name="dataset-new"),
    path("p/<slug:slug>/datasets/<slug:name>/v<int:version>/", views.detail, name="dataset"),
]
