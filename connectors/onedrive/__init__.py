"""OneDrive and SharePoint libraries as a source, over Microsoft Graph v1.0."""
