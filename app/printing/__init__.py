"""Printing (bản in): a transcript as people hold it in their hands, with a code to look the original up."""
