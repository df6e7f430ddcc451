"""The page of the back office where staff change their own password."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy
from unfold.forms import AdminOwnPasswordChangeForm

from accounts import services
from accounts.audited_admin import staff_user
from accounts.authentication import Caller
from booking_site.api.errors import DomainError


class OwnPasswordForm(AdminOwnPasswordChangeForm):  # type: ignore[misc] # unfold is untyped
    def clean_old_password(self) -> str:
        """Leave the check to `change_password`, which counts wrong ones as failed logins."""
        password: str = self.cleaned_data["old_password"]
        return password


class OwnPasswordPage(PasswordChangeView):
    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | admin.site.each_context(self.request)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        user = staff_user(self.request)
        try:
            services.change_password(
                request=self.request,
                caller=Caller(id=user.pk, token_version=user.token_version),
                current_password=form.cleaned_data["old_password"],
                new_password=form.cleaned_data["new_password1"],
            )
        except DomainError as refusal:
            # Once there are too many guesses, axes' middleware replaces the response.
            form.add_error("old_password", refusal.message)
            return self.form_invalid(form)
        user.refresh_from_db()
        update_session_auth_hash(self.request, user)  # ends all other sessions
        return HttpResponseRedirect(self.get_success_url())


page = OwnPasswordPage.as_view()
