"""Addresses under /api/."""

from django.urls import path

from catalog.views import (
    MovieShowsViewSet,
    MovieViewSet,
    ShowViewSet,
    TheatreShowsViewSet,
    TheatreViewSet,
)

urlpatterns = [
    path("movies", MovieViewSet.as_view({"get": "list"})),
    path("movies/<bigint:pk>", MovieViewSet.as_view({"get": "retrieve"})),
    path("movies/<bigint:movie_id>/shows", MovieShowsViewSet.as_view({"get": "list"})),
    path("theatres", TheatreViewSet.as_view({"get": "list"})),
    path("theatres/<bigint:pk>", TheatreViewSet.as_view({"get": "retrieve"})),
    path("theatres/<bigint:theatre_id>/shows", TheatreShowsViewSet.as_view({"get": "list"})),
    path("shows", ShowViewSet.as_view({"get": "list"})),
    path("shows/<bigint:pk>", ShowViewSet.as_view({"get": "retrieve"})),
]
