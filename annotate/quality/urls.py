"""Addresses of the pages Quality, People and Your work."""

from django.urls import path

from annotate.quality import people_views, pseudonyms
from annotate.quality import views as quality_views

urlpatterns = [
    path("p/<slug:slug>/quality/", quality_views.quality, name="quality"),
    path("p/<slug:slug>/quality/agreement.csv", quality_views.agreement_csv, name="quality-csv"),
    path("p/<slug:slug>/quality/<str:who>/<str:name>/", quality_views.chart, name="quality-chart"),
    path("p/<slug:slug>/people/", people_views.index, name="people"),
    path("p/<slug:slug>/people/names/", pseudonyms.show_names, name="people-names"),
    path("p/<slug:slug>/people/gold/<str:who>/", people_views.chart, name="people-chart"),
    path("p/<slug:slug>/people/<int:pk>/", people_views.person, name="person"),
    path("p/<slug:slug>/people/<int:pk>/pause/", people_views.pause, name="person-pause"),
    path("p/<slug:slug>/people/<int:pk>/edit/", people_views.edit, name="person-edit"),
    path("p/<slug:slug>/people/<int:pk>/let-in/", people_views.let_in, name="person-let-in"),
    path("p/<slug:slug>/me/", people_views.me, name="me"),
]
