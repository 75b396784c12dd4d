"""Worksgate: the customer's side of LINE WORKS single sign-on."""
