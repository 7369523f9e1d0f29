"""The pages of links in messages: for recipients, without keys or scripts."""
