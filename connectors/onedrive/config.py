"""What an endpoint of template ``http.onedrive`` is configured with."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.http.settings import HttpSettings, Url


class OneDriveConfig(HttpSettings):
    """An application of a tenant, or a person's token, and which drives are read."""

    base_url: Url = Field("https://graph.microsoft.com", description="Where Graph is; national clouds have their own.")
    login_url: Url = Field("https://login.microsoftonline.com", description="Where applications log in.")
    tenant: str | None = Field(None, description="Id or domain of the tenant.", pattern=r"^[A-Za-z0-9.\-]+$")
    client_id: str | None = Field(None, description="Id of the application.")
    client_secret: SecretStr | None = Field(None, description="Secret of the application.")
    access_token: SecretStr | None = Field(None, description="A person's token instead; it is not renewed.")
    drive_ids: tuple[str, ...] = Field((), description="Drives by id.")
    user_ids: tuple[str, ...] = Field((), description="All drives of these users, by id or principal name.")
    site_ids: tuple[str, ...] = Field((), description="All document libraries of these sites, by id.")
    root_path: str = Field("/", description="Only what is at or below this path, in every drive.")
    source_system: str = Field(
        "onedrive",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Name of this system in tables and ids; two systems must not share one.",
    )
    page_size: int = Field(999, ge=1, le=999, description="Items asked for by one request; the service may give less.")
    slice_items: int = Field(200, ge=10, le=1000, description="Items whose versions or permissions a slice holds.")

    @field_validator("drive_ids", "user_ids", "site_ids", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value  # ids of sites hold commas

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        application = self.tenant and self.client_id and self.client_secret
        if bool(application) == bool(self.access_token):
            raise ValueError("give tenant, client_id and client_secret, or access_token")
        if application and not (self.drive_ids or self.user_ids or self.site_ids):
            raise ValueError("give drive_ids, user_ids or site_ids: an application has no drives of its own")
        return self
