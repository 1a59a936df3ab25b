import inspect
from pathlib import Path

import yaml

import components.train_model
from components.train_model.component import train_model


def test_the_tutorials_recipe_sets_parameters_of_the_step_to_the_tutorials_values():
    recipe = yaml.safe_load((Path(components.train_model.__file__).parent / "recipes" / "tutorial.yaml").read_text())

    parameters = inspect.signature(train_model.python_func).parameters
    assert recipe.keys() <= parameters.keys()
    assert (recipe["model_name"], recipe["epochs"], recipe["batch_size"]) == ("tutorial", 50, 8)
    assert (recipe["learning_rate"], recipe["decay_to"], recipe["weight_decay"]) == (1e-4, 1, 0)
