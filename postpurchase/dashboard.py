"""What the admin's first page shows."""


def context(request, context):
    return context
