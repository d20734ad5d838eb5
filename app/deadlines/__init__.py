"""The room of deadlines (thời hạn) and locks (chốt dữ liệu); nothing is decided by them yet."""
