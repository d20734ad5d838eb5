"""Organisations (đơn vị): the tree, the accounts of officers, the clients of schools, who may see what."""
