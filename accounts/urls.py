"""Routes under /api/auth."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("auth/register", views.RegisterView.as_view(), name="auth-register"),
    path("auth/guest", views.GuestView.as_view(), name="auth-guest"),
    path("auth/guest/claim", views.ClaimOrdersView.as_view(), name="auth-guest-claim"),
    path("auth/login", views.LoginView.as_view(), name="auth-login"),
    path("auth/refresh", views.RefreshView.as_view(), name="auth-refresh"),
    path("auth/logout", views.LogoutView.as_view(), name="auth-logout"),
    path("auth/me/export", views.ExportView.as_view(), name="auth-me-export"),
    path("auth/me", views.MeView.as_view(), name="auth-me"),
    path("auth/password/change", views.ChangePasswordView.as_view(), name="auth-password-change"),
    path("auth/password/reset", views.ResetPasswordView.as_view(), name="auth-password-reset"),
    path(
        "auth/password/reset/confirm",
        views.ConfirmResetView.as_view(),
        name="auth-password-reset-confirm",
    ),
    path("auth/email/confirm", views.ConfirmEmailView.as_view(), name="auth-email-confirm"),
    path("auth/email/resend", views.ResendConfirmationView.as_view(), name="auth-email-resend"),
]
