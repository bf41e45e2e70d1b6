from django.db import migrations


def learn(apps, schema_editor):
    """Who made a key holds it: staff's log says so of the keys that were made before keys knew it themselves."""
    log, keys = apps.get_model("admin", "LogEntry").objects, apps.get_model("stores", "ApiKey").objects
    made = log.filter(content_type__app_label="stores", content_type__model="apikey", action_flag=1)
    for number, user in made.values_list("object_id", "user"):
        keys.filter(pk=number, issued_to=None).update(issued_to=user)


class Migration(migrations.Migration):
    dependencies = [
        ("stores", "0006_api_key_issued_to"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [migrations.RunPython(learn, migrations.RunPython.noop)]
