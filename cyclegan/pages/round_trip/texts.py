"""The sentences of the page Round trip."""

from cyclegan.pages.languages import Text

TAB = Text("Round trip", "왕복", "往返")
TRIP_TITLE = Text("There and back again", "갔다가 되돌아오기", "去而复返")
TRIP_INTRO = Text(
    "Your picture is translated, and the translation is translated back. The brighter the last panel, the more got "
    "lost on the way; the cycle loss is the mean of it, and CycleGAN trains to make it small.",
    "그림을 변환한 뒤 그 결과를 다시 되돌립니다. 마지막 칸이 밝을수록 되돌아오지 못한 것이 많습니다. 그 평균이 순환 "
    "손실이며, CycleGAN은 이것을 줄이도록 학습합니다.",
    "先转换你的图片，再将结果转换回来。最后一格越亮，途中丢失的内容就越多；"
    "其平均值就是循环损失，CycleGAN 训练时会尽量减小它。",
)
EYE_TITLE = Text("The discriminator's eye", "판별자의 눈", "判别器之眼")
EYE_INTRO = Text(
    "While the generators learned to translate, discriminators learned to tell real pictures from translations, patch "
    "by patch. Blue patches pass for real, orange ones give the translation away.",
    "생성자가 변환을 배우는 동안 판별자는 실제 그림과 변환된 그림을 조각별로 구별하는 법을 배웠습니다. "
    "파란 조각은 진짜로 통과하고, 주황색 조각은 변환된 그림임을 들킵니다.",
    "在生成器学习转换的同时，判别器学会了逐块区分真实图片和转换结果。蓝色的块被当作真实，橙色的块则暴露了转换的痕迹。",
)
WORKING = Text("On the way ...", "가는 중...", "正在途中……")
START = Text("Your picture", "내 그림", "你的图片")
THERE = Text("There: {domain}", "가서: {domain}", "去：{domain}")
BACK = Text("Back again: {domain}", "되돌아와서: {domain}", "回：{domain}")
ERROR = Text("Error, black where there is none", "오차: 없는 곳은 검은색", "误差：黑色表示没有")
LOSS = Text("Cycle loss {loss}", "순환 손실 {loss}", "循环损失 {loss}")
ALT = Text.same("{title}: {what}")
SHARE = Text("{name}: {share} % pass for real", "{name}: {share}%가 진짜로 통과", "{name}：{share}% 被当作真实")
PAIRS = Text(
    "The discriminator of pix2pix sees your picture beside its translation, and so judges translations only.",
    "pix2pix의 판별자는 내 그림과 변환 결과를 함께 보므로 변환 결과만 판별합니다.",
    "pix2pix 的判别器会同时看到你的图片和转换结果，因此只评判转换结果。",
)
NO_EYES = Text(
    "None of these networks carries its discriminator: it is needed to train, not to translate. A run that you train "
    "yourself keeps it.",
    "여기 있는 신경망에는 판별자가 들어 있지 않습니다. 판별자는 변환이 아니라 학습에만 필요하기 때문입니다. 직접 "
    "학습하면 판별자도 함께 저장됩니다.",
    "这里的网络都不带判别器：判别器只用于训练，转换时并不需要。自己训练的网络会保留判别器。",
)
NOT_JUDGED = Text(
    "The discriminators of {title} cannot judge this picture: it is too small, their files are damaged, or they need "
    "packages that are missing (requirements-features.txt).",
    "{title}의 판별자가 이 그림을 판별할 수 없습니다. 그림이 너무 작거나, 판별자 파일이 손상되었거나, "
    "필요한 패키지(requirements-features.txt)가 없습니다.",
    "{title} 的判别器无法评判这张图片：图片太小、判别器文件已损坏，或缺少所需的软件包（requirements-features.txt）。",
)
EYE_AWAY = Text(
    "The discriminators of this {title} did not come from the Hub. Choose a picture to try again.",
    "이 {title} 모델의 판별자를 Hub에서 받지 못했습니다. 그림을 고르면 다시 시도합니다.",
    "此 {title} 模型的判别器未能从 Hub 获取。选择一张图片即可重试。",
)
NO_EYE = Text(
    "This {title} does not carry its discriminators: they are needed to train, not to translate.",
    "이 {title} 모델에는 판별자가 들어 있지 않습니다. 판별자는 변환이 아니라 학습에만 필요하기 때문입니다.",
    "此 {title} 模型不带判别器：判别器只用于训练，转换时并不需要。",
)
