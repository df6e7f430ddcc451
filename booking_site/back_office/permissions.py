"""Forbids staff to add, change or delete rows of a page, whatever their permissions."""

from typing import Any

from django.http import HttpRequest


class NoAdding:
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class NoChanging:
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NoDeleting:
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
