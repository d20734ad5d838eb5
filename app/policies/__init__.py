"""Policies (chính sách): what the law leaves to a province, as versioned data with reason and author."""
