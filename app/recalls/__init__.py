"""Recalls (thu hồi học bạ): asked for with a reason, decided by the competent authority."""
