"""Names of headers, parameters and fields: whose values are secret, and which headers say nothing worth keeping."""

SECRET = frozenset({
    "accesskey", "accesstoken", "apikey", "apitoken", "appkey", "appsecret", "assertion", "auth", "authkey",
    "authorization", "authtoken", "awsaccesskeyid", "bearer", "bearertoken", "clientassertion", "clientsecret",
    "codeverifier", "cookie", "credential", "credentials", "csrftoken", "idtoken", "jwt", "licensekey",
    "oauthtoken", "oauthverifier", "passphrase", "passwd", "password", "personalaccesstoken", "privatekey",
    "privatetoken", "proxyauthorization", "pwd", "refreshtoken", "sas", "secret", "secretkey", "securitytoken",
    "sessionid", "sessiontoken", "setcookie", "sig", "signature", "subscriptionkey", "token", "xamzcredential",
    "xamzsecuritytoken", "xamzsignature", "xapikey", "xauthtoken", "xcsrftoken", "xgoogcredential",
    "xgoogsignature", "xsrftoken", "xxsrftoken",
})  # fmt: skip
"""Letters and digits only, lower case. ``token`` is one: names of page tokens say more (``next_page_token``)."""

ENDINGS = ("accesskey", "accesstoken", "apikey", "apitoken", "authtoken", "clientsecret", "password", "secretkey")
"""Whatever ends like this is secret, too."""

NOISE = frozenset({
    "accept-ranges", "age", "alt-svc", "cf-cache-status", "cf-ray", "connection", "content-encoding",
    "content-length", "content-security-policy", "expires", "keep-alive", "nel", "p3p", "permissions-policy",
    "pragma", "proxy-authenticate", "referrer-policy", "report-to", "server", "server-timing", "set-cookie",
    "strict-transport-security", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade",
    "vary", "via", "x-cache", "x-content-type-options", "x-frame-options", "x-powered-by", "x-request-id",
    "x-runtime", "x-served-by", "x-timer", "x-xss-protection",
})  # fmt: skip
"""Response headers about connection, caches, tracing and browsers; lengths and encodings, which change on the way."""

NOISY = ("access-control-", "x-amz-cf-", "x-amzn-", "x-b3-", "x-envoy-")
"""Beginnings of more such headers."""
