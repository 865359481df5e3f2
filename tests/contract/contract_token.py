"""The API token of the contract tests; it opens nothing."""

TOKEN = {"user": "root@pam", "token_name": "drbd", "secret": "5eca7000-1111-2222-3333-444444444444"}
