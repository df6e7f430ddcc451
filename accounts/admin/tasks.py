"""Background tasks in the back office: pending, done and failed."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult
from unfold.admin import ModelAdmin

from accounts import audit
from accounts.audited_admin import Audited, staff_user
from accounts.waiting_mails import send_now, waiting_mails
from booking_site.back_office.permissions import NoAdding, NoDeleting

admin.site.unregister(DBTaskResult)


@admin.register(DBTaskResult)
class TaskAdmin(NoAdding, NoDeleting, Audited, ModelAdmin):  # type: ignore[misc]
    """Staff read tasks, retry failed ones and make waiting ones due now."""

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
    actions = ("retry",)
    list_before_template = "admin/accounts/waiting_mails.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.send_now_view))
        return [path("send-now/", view, name="send_waiting_mails"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"waiting_mails": waiting_mails(staff_user(request))}
        return super().changelist_view(request, context | (extra_context or {}))

    def send_now_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        count = send_now(actor=staff_user(request))
        messages.success(request, f"Waiting e-mails and tasks to be tried now: {count}.")
        return redirect("admin:django_tasks_database_dbtaskresult_changelist")

    @admin.display(description="attempts")
    def attempts(self, row: "DBTaskResult[..., Any]") -> int:
        return len(row.worker_ids)

    @admin.display(description="error")
    def error(self, row: "DBTaskResult[..., Any]") -> str:
        path: str = row.exception_class_path
        return path.rpartition(".")[2]

    @admin.action(description="Retry failed tasks", permissions=["change"])
    def retry(self, request: HttpRequest, rows: "QuerySet[DBTaskResult[..., Any]]") -> None:
        with transaction.atomic(durable=True):
            failed = rows.filter(status=TaskResultStatus.FAILED).order_by("pk")
            tasks = list(failed.select_for_update(of=("self",), no_key=True))
            DBTaskResult.objects.filter(pk__in=[task.pk for task in tasks]).update(
                status=TaskResultStatus.READY,
                run_after=Now(),
                worker_ids=[],
                finished_at=None,
            )
            for task in tasks:
                audit.record(
                    actor=staff_user(request),
                    action="task_retried",
                    subject=task,
                    subject_name=task.task_path,  # its arguments are personal
                )
        messages.success(request, f"Tasks to be retried: {len(tasks)}.")
