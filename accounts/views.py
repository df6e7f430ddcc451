"""Endpoints under /api/auth."""

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from accounts import guests, recovery, services
from accounts.authentication import (
    HasToken,
    OptionalBearerAuthentication,
    caller_of,
)
from accounts.brute_force import TooManyAttempts
from accounts.exports import export_caller
from accounts.links import LinkInvalid
from accounts.serializers import (
    AcceptedSerializer,
    AccountSerializer,
    ChangePasswordSerializer,
    ClaimOrdersSerializer,
    CloseAccountSerializer,
    ConfirmEmailSerializer,
    ConfirmResetSerializer,
    GuestAnswerSerializer,
    GuestSerializer,
    LoginSerializer,
    MeSerializer,
    ProfileSerializer,
    RefreshSerializer,
    RegisterSerializer,
    ResetPasswordSerializer,
    TokensSerializer,
)
from accounts.throttling import (
    CallThrottle,
    GuestThrottle,
    MailThrottle,
    NoticeThrottle,
    ScopedThrottle,
)
from accounts.tokens import (
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    end_sign_in,
    rotate_tokens,
)
from booking_site.api.idempotency_keys import KEY_PATTERN, KeyInvalid, read_optional_key
from booking_site.api.openapi.schema import operation
from booking_site.api.parsing import EmptySerializer, parse_body
from booking_site.languages import (
    DEFAULT_LANGUAGE,
    Sentence,
    requested_language,
    set_content_language,
)

REGISTRATION_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": KEY_PATTERN},
    OpenApiParameter.HEADER,
    description=(
        "A new random value for each registration. If the answer is lost, a retry within 24 hours"
        " with the same value, e-mail address and password returns new tokens instead of"
        " `email_taken`."
    ),
)


class OpenView(APIView):
    # A token is ignored.
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes: tuple[type[BaseThrottle], ...] = (ScopedThrottle,)


class RegisterView(OpenView):
    throttle_scope = "register"

    @operation(
        "auth_register",
        summary="Register",
        request=RegisterSerializer,
        responses={201: AccountSerializer},
        parameters=[REGISTRATION_KEY],
        problems=[KeyInvalid, services.EmailTaken, services.WeakPassword, TooManyAttempts],
    )
    def post(self, request: Request) -> Response:
        key = read_optional_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
        body = parse_body(RegisterSerializer, request)
        signed_in = services.register(request=request._request, key=key, **body)
        return Response(
            AccountSerializer(signed_in).data,
            status=status.HTTP_201_CREATED,
            headers={"Idempotency-Replayed": "true"} if signed_in.replayed else None,
        )


class GuestView(OpenView):
    throttle_classes = (ScopedThrottle, GuestThrottle)
    throttle_scope = "guest"
    mail_throttle_scope = "mail"

    @operation(
        "auth_guest",
        summary="Buy as a guest, without a password",
        request=GuestSerializer,
        responses={201: GuestAnswerSerializer},
    )
    def post(self, request: Request) -> Response:
        language = requested_language(request._request) or DEFAULT_LANGUAGE
        body = parse_body(GuestSerializer, request)
        signed_in = guests.create_guest(language=language, **body)
        return Response(GuestAnswerSerializer(signed_in).data, status=status.HTTP_201_CREATED)


class ClaimOrdersView(APIView):
    permission_classes = (HasToken,)  # the service checks the user
    throttle_classes = (ScopedThrottle,)
    throttle_scope = "mail_link"

    @operation(
        "auth_guest_claim",
        summary="Move a guest's orders to my account with a link",
        request=ClaimOrdersSerializer,
        responses={204: None},
        problems=[TokenRevoked, LinkInvalid, guests.AccountNeeded],
    )
    def post(self, request: Request) -> Response:
        body = parse_body(ClaimOrdersSerializer, request)
        guests.claim_orders(caller=caller_of(request), **body)
        return Response(status=status.HTTP_204_NO_CONTENT)


class LoginView(OpenView):
    throttle_scope = "login"

    @operation(
        "auth_login",
        summary="Log in",
        request=LoginSerializer,
        responses=AccountSerializer,
        problems=[services.InvalidCredentials, TooManyAttempts],
    )
    def post(self, request: Request) -> Response:
        credentials = parse_body(LoginSerializer, request)
        signed_in = services.log_in(request=request._request, **credentials)
        return Response(AccountSerializer(signed_in).data)


class RefreshView(OpenView):
    throttle_classes = (CallThrottle,)

    @operation(
        "auth_refresh",
        summary="Exchange a refresh token for a new pair",
        request=RefreshSerializer,
        responses=TokensSerializer,
        problems=[TokenInvalid, TokenExpired, TokenRevoked],
    )
    def post(self, request: Request) -> Response:
        tokens = rotate_tokens(parse_body(RefreshSerializer, request)["refresh"])
        return Response(TokensSerializer(tokens).data)


class LogoutView(APIView):
    # A caller whose access token has expired can still log out.
    authentication_classes = (OptionalBearerAuthentication,)
    permission_classes = (AllowAny,)

    @operation(
        "auth_logout",
        summary="Log out: end the sign-in of a refresh token",
        request=RefreshSerializer,
        responses={204: None},
        problems=[TokenInvalid],
    )
    def post(self, request: Request) -> Response:
        end_sign_in(parse_body(RefreshSerializer, request)["refresh"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(APIView):
    permission_classes = (HasToken,)  # the services check the user

    @operation("auth_me", summary="Get my account", responses=MeSerializer, problems=[TokenRevoked])
    def get(self, request: Request) -> Response:
        return Response(MeSerializer(services.current_user(caller=caller_of(request))).data)

    @operation(
        "auth_me_update",
        summary="Change my name or language",
        request=ProfileSerializer,
        responses=MeSerializer,
        problems=[TokenRevoked],
    )
    def patch(self, request: Request) -> Response:
        body = parse_body(ProfileSerializer, request)
        user = services.change_profile(caller=caller_of(request), **body)
        return Response(MeSerializer(user).data)

    @operation(
        "auth_me_delete",
        summary="Remove my account; sales records are kept",
        request=CloseAccountSerializer,
        responses={204: None},
        problems=[
            TokenRevoked,
            TooManyAttempts,
            services.PasswordWrong,
            services.StaffAccount,
        ],
    )
    def delete(self, request: Request) -> Response:
        services.close_account(
            request=request._request,
            caller=caller_of(request),
            password=parse_body(CloseAccountSerializer, request).get("password"),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class ChangePasswordView(APIView):
    permission_classes = (HasToken,)  # the service checks the user
    throttle_classes = (CallThrottle, NoticeThrottle)
    mail_throttle_scope = "mail"

    @operation(
        "auth_password_change",
        summary="Change my password and revoke all tokens",
        request=ChangePasswordSerializer,
        responses={204: None},
        problems=[
            TokenRevoked,
            TooManyAttempts,
            services.PasswordWrong,
            services.WeakPassword,
        ],
    )
    def post(self, request: Request) -> Response:
        services.change_password(
            request=request._request,
            caller=caller_of(request),
            **parse_body(ChangePasswordSerializer, request),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExportView(APIView):
    permission_classes = (HasToken,)  # the export checks the user
    throttle_classes = (ScopedThrottle,)
    throttle_scope = "export"

    @operation(
        "auth_me_export",
        summary="Export everything stored about me",
        responses=OpenApiTypes.OBJECT,
        problems=[TokenRevoked],
    )
    def get(self, request: Request) -> Response:
        return Response(export_caller(caller=caller_of(request)))


class ResetPasswordView(OpenView):
    throttle_classes = (ScopedThrottle, MailThrottle)
    throttle_scope = "mail_link"
    mail_throttle_scope = "mail"

    @operation(
        "auth_password_reset",
        summary="Send a link for a new password, if the account exists",
        request=ResetPasswordSerializer,
        responses={202: AcceptedSerializer},
    )
    def post(self, request: Request) -> Response:
        recovery.request_password_reset(**parse_body(ResetPasswordSerializer, request))
        message = _("If there is an account with this address, an e-mail is on its way.")
        return _accepted(message)


class ConfirmResetView(OpenView):
    throttle_scope = "mail_link"

    @operation(
        "auth_password_reset_confirm",
        summary="Set a new password with a link and revoke all tokens",
        request=ConfirmResetSerializer,
        responses={204: None},
        problems=[LinkInvalid, services.WeakPassword],
    )
    def post(self, request: Request) -> Response:
        recovery.reset_password(**parse_body(ConfirmResetSerializer, request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConfirmEmailView(OpenView):
    throttle_scope = "mail_link"

    @operation(
        "auth_email_confirm",
        summary="Confirm an e-mail address with a link",
        request=ConfirmEmailSerializer,
        responses={204: None},
        problems=[LinkInvalid],
    )
    def post(self, request: Request) -> Response:
        recovery.confirm_email(**parse_body(ConfirmEmailSerializer, request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ResendConfirmationView(APIView):
    permission_classes = (HasToken,)  # the service checks the user
    throttle_classes = (CallThrottle, MailThrottle)
    mail_throttle_scope = "mail"

    @operation(
        "auth_email_resend",
        summary="Send the link that confirms my e-mail address again",
        request=EmptySerializer,
        responses={202: AcceptedSerializer},
        problems=[TokenRevoked],
    )
    def post(self, request: Request) -> Response:
        parse_body(EmptySerializer, request)
        recovery.resend_confirmation(caller=caller_of(request))
        message = _("If your address is not confirmed yet, an e-mail is on its way.")
        return _accepted(message)


def _accepted(message: Sentence) -> Response:
    response = Response({"message": message}, status=status.HTTP_202_ACCEPTED)
    set_content_language(response)
    return response
