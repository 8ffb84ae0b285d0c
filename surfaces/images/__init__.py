"""Pictures of a view, for channels that cannot show a page: a chat message, a mail, a printer.

`receipt` decides what stands where; `lettering` sets text with the same font files the pages send to browsers
(`surfaces/static/fonts`), so a picture and its page look alike and nothing is shipped twice.
"""
