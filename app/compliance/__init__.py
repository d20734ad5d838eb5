"""Compliance (tiến độ nộp học bạ): what was due, what came, what is missing and why."""
