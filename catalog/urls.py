"""Addresses under /api/."""

from django.urls import path

from catalog.views import (
    MovieShowsViewSet,
    MovieViewSet,
    ShowViewSet,
    TheatreShowsViewSet,
    TheatreViewSet,
)

LIST = {"get": "list"}
READ = {"get": "retrieve"}

urlpatterns = [
    path("movies", MovieViewSet.as_view(LIST)),
    path("movies/<bigint:pk>", MovieViewSet.as_view(READ)),
    path("movies/<bigint:movie_id>/shows", MovieShowsViewSet.as_view(LIST)),
    path("theatres", TheatreViewSet.as_view(LIST)),
    path("theatres/<bigint:pk>", TheatreViewSet.as_view(READ)),
    path("theatres/<bigint:theatre_id>/shows", TheatreShowsViewSet.as_view(LIST)),
    path("shows", ShowViewSet.as_view(LIST)),
    path("shows/<bigint:pk>", ShowViewSet.as_view(READ)),
]
