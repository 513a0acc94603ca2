from django.contrib.auth import views
from django.contrib.auth.decorators import login_not_required
from django.urls import path

from accounts import token_views

urlpatterns = [
    path("sign-in/", login_not_required(views.LoginView.as_view(redirect_authenticated_user=True)), name="login"),
    path("sign-out/", views.LogoutView.as_view(), name="logout"),
    path("account/tokens/", token_views.index, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", token_views.revoke, name="token-revoke"),
]
