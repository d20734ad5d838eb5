"""Transfers (chuyển giao quyền quản lý): one school releases a pupil's records, another accepts them."""
