"""Indexes of the folded names of users, and of the folded words of the audit trail."""

import django.contrib.postgres.indexes
from django.db import migrations

import booking_site.postgres.words
from booking_site.postgres.indexes import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    # The indexes are built while sales continue.
    atomic = False

    dependencies = [("accounts", "0008_fold_text")]

    operations = [
        AddIndexConcurrently(
            "user",
            django.contrib.postgres.indexes.GinIndex(
                booking_site.postgres.words.FoldedWords("name"), name="user_by_folded_name"
            ),
        ),
        AddIndexConcurrently(
            "auditentry",
            django.contrib.postgres.indexes.GinIndex(
                booking_site.postgres.words.FoldedWords("action", "subject_name"),
                name="audit_by_folded_words",
            ),
        ),
        RemoveIndexConcurrently("user", "user_by_words_of_name"),
        RemoveIndexConcurrently("auditentry", "audit_by_words"),
    ]
