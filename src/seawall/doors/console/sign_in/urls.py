"""allauth's addresses, those that are used here: nobody signs up, and addresses come from set-up links alone.

The names are allauth's: it looks its pages up by them.
"""

from django.urls import URLPattern, URLResolver, path, re_path

from seawall.doors.console.sign_in import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("account/login/", views.sign_in, name="account_login"),
    path("account/logout/", views.sign_out, name="account_logout"),
    path("account/inactive/", views.inactive, name="account_inactive"),
    path("account/reauthenticate/", views.password_again, name="account_reauthenticate"),
    path("account/password/change/", views.change_password, name="account_change_password"),
    path("account/password/reset/", views.ask_for_password, name="account_reset_password"),
    path("account/password/reset/done/", views.password_asked, name="account_reset_password_done"),
    path("account/password/reset/key/done/", views.new_password_set, name="account_reset_password_from_key_done"),
    re_path(
        r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.new_password,
        name="account_reset_password_from_key",
    ),
    path("account/2fa/", views.to_account, name="mfa_index"),
    path("account/2fa/authenticate/", views.code, name="mfa_authenticate"),
    path("account/2fa/reauthenticate/", views.code_again, name="mfa_reauthenticate"),
    path("account/2fa/totp/activate/", views.add_app, name="mfa_activate_totp"),
    path("account/2fa/totp/deactivate/", views.remove_app, name="mfa_deactivate_totp"),
    path("account/2fa/recovery-codes/", views.see_codes, name="mfa_view_recovery_codes"),
    path("account/2fa/recovery-codes/generate/", views.make_codes, name="mfa_generate_recovery_codes"),
    path("account/2fa/webauthn/", views.to_account, name="mfa_list_webauthn"),
    path("account/2fa/webauthn/login/", views.passkey_sign_in, name="mfa_login_webauthn"),
    path("account/2fa/webauthn/reauthenticate/", views.passkey_again, name="mfa_reauthenticate_webauthn"),
    path("account/2fa/webauthn/add/", views.add_passkey, name="mfa_add_webauthn"),
    path("account/2fa/webauthn/keys/<int:pk>/remove/", views.remove_passkey, name="mfa_remove_webauthn"),
    path("account/2fa/webauthn/keys/<int:pk>/edit/", views.rename_passkey, name="mfa_edit_webauthn"),
]
