"""Callers whose tokens others vouch for, and what each of them may do.

Kubernetes (``token_review``) or an OpenID Connect provider (``oidc``) says who sends a token; the
settings (``settings``) say which scopes that caller has, and ``scopes`` what a scope is enough for.
``access`` puts them together and remembers what it was told for a while.
"""
