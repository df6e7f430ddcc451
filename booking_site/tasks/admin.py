"""What the worker has to do, and what it could not."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult
from unfold.admin import ModelAdmin

admin.site.unregister(DBTaskResult)


@admin.register(DBTaskResult)
class TaskAdmin(ModelAdmin):  # type: ignore[misc]
    """Tasks are looked at, and tried again; finished ones disappear by themselves."""

    list_display = ("task_name", "status", "enqueued_at", "attempts", "finished_at", "error")
    list_filter = ("status", "task_path")
    date_hierarchy = "enqueued_at"
    ordering = ("-enqueued_at",)
    fields = readonly_fields = (
        "task_path",
        "args_kwargs",
        "status",
        "enqueued_at",
        "started_at",
        "finished_at",
        "attempts",
        "exception_class_path",
        "traceback",
    )
    actions = ("try_again",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: "DBTaskResult[..., Any] | None" = None
    ) -> bool:
        return False

    @admin.display(description="attempts")
    def attempts(self, row: "DBTaskResult[..., Any]") -> int:
        return len(row.worker_ids)

    @admin.display(description="error")
    def error(self, row: "DBTaskResult[..., Any]") -> str:
        path: str = row.exception_class_path
        return path.rpartition(".")[2]

    @admin.action(description="Try failed tasks again", permissions=["change"])
    def try_again(self, request: HttpRequest, rows: "QuerySet[DBTaskResult[..., Any]]") -> None:
        revived = rows.filter(status=TaskResultStatus.FAILED).update(
            status=TaskResultStatus.READY,
            run_after=timezone.now(),
            worker_ids=[],
            finished_at=None,
        )
        messages.success(request, f"To be tried again: {revived}.")
