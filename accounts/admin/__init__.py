"""Admin pages of users, access and background tasks."""

from accounts.admin import access, tasks
from accounts.admin.users import UserAdmin
