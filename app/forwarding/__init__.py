"""Forwarding (chuyển tiếp lên Bộ): a province sends sealed snapshots, the ministry acknowledges them."""
