"""Own tracking of clicks and opens: links of mails, and who follows them."""
